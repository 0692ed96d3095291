"""The `innerwatch` command: tools for rule authors and analysts. Never shipped to AWS."""
