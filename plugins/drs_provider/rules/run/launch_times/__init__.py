"""How long the waves of a plan take, launched in their turn or ahead of it."""
