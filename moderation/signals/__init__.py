"""Rule signals, one file each; `moderation.assembly` lists them."""
