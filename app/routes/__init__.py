"""The HTTP interface, a file per resource: parse, call the service, answer."""
