"""Launch settings and launch actions: look, apply, put back."""
