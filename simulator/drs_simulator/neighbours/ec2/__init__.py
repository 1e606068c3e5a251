"""EC2: status checks, launch templates, and what of a VPC moto does not know."""
