"""What shortening answers saves, and whether it keeps to what it promises."""
