"""`innerwatch view`: a local page over what Elasticsearch holds: alerts, a person, customers touched.

`questions` asks Elasticsearch, `pages` answers an address with a page, `server` speaks HTTP on the loopback interface.
What the report shows too comes from `innerwatch_cli.report`.
"""
