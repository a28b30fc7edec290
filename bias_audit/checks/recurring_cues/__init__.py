"""Things that the network keeps looking at, found without masks, erased and pasted (BA302)."""
