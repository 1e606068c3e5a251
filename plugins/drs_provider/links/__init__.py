"""Links from a task to the AWS console. Nothing in here imports boto3 or the amazon provider."""
