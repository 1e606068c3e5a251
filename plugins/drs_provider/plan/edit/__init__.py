"""Changes of plan files in place: only what is changed is written anew, all else stays byte for byte."""
