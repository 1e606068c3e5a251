"""Rules that only several documents together can break."""
