"""What Kibana gets from us."""
