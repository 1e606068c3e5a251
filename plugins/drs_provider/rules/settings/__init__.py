"""Launch settings: values, candidates, checks, templates, what a drill remembers."""
