"""What must happen in which order, as pure functions on plans."""
