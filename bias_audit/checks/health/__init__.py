"""The check of the audit itself: images without a result, accuracy at chance, doubtful maps (BA901 to BA905, BA910)."""
