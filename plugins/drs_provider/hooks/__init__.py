"""The only modules that talk to AWS: our words in, our words out."""
