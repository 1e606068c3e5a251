"""EC2: the pages of instances, status checks, launch templates, and what of a VPC moto does not know."""
