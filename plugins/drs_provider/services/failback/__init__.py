"""The way back: reading the circle in both places, reversing, launching in the origin, removing what is left."""
