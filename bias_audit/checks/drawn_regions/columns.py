"""Columns of the table `hypotheses`: regions that reviewers drew and had tested."""

from __future__ import annotations

from bias_audit.run.columns import Column, reason

HYPOTHESES: tuple[Column, ...] = (
    Column("hypothesis_id", "string", "hash of image content, region and class (index)", index=True),
    Column("name", "string", "what the reviewer called it"),
    Column("class_name", "string", "class whose probability was watched"),
    Column("image_id", "string", "photo that the region was drawn on"),
    Column("content", "string", "hash of the photo's bytes"),
    Column("region", "string", "corners as JSON, [x, y] as shares of what the model sees, from the left and the top"),
    Column("reviewer", "string", "who drew it"),
    Column("time", "string", "when it was tested, ISO 8601 in UTC"),
    Column("area", "float", "share of the picture that it takes, 0..1"),
    Column("object_share", "float", "share of it that lies on the photo's own object, 0..1"),
    Column("object_estimated", "float", "1 where the object is estimated, for want of a mask"),
    Column("probability", "float", "of the class, with the photo as it is, 0..1"),
    Column("probability_erased", "float", "of the class, with the region erased, 0..1"),
    Column(
        "erase_effect",
        "float",
        "its fall beyond equal pieces erased elsewhere, -1..1; of two fills the smaller",
        "high",
    ),
    Column("p_erase", "float", "share of places, this one among them, whose erasing costs as much or more"),
    Column("n_places", "int", "equal pieces elsewhere that were erased"),
    Column("n_hosts", "int", "photos of other classes, or groups of them, that got the region"),
    Column(
        "paste_effect",
        "float",
        "rise of the class's probability beyond pieces of other photos of the host's class, -1..1",
        "high",
    ),
    Column("paste_low", "float", "95 % bootstrap-t interval over photos, lower end; none below 10 photos or groups"),
    Column("paste_high", "float", "95 % bootstrap-t interval over photos, upper end"),
    Column("p_paste", "float", "sign-flip test of paste_effect"),
    Column("p_fdr", "float", "the same after Benjamini-Hochberg over all regions tested in this run"),
    Column("turned", "float", "share of the hosts that are then predicted as the class, 0..1", "high"),
    Column("turned_control", "float", "the same with the control pieces, 0..1"),
    Column("own_effect", "float", "rise beyond an equal piece of the same photo; near 0 where all of it does the same"),
    *reason("reason", "ok, or why nothing could be pasted"),
)
