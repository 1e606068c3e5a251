"""What goes over the wire: calls, requests, answers and errors, held against botocore's models."""
