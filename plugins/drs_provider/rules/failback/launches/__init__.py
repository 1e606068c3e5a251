"""What jobs and logs say of launches back that DRS does not show, or shows late."""
