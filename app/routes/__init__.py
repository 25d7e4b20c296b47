"""The HTTP interface, one file per resource: parse, call the service, answer."""
