"""What can be said of a plan before it has run: how long it takes, what it uses of quotas, its steps on paper."""
