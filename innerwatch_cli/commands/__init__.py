"""One module a command; `innerwatch_cli.main` lists them."""
