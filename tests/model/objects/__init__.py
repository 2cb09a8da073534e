"""The object store compared with a model of [MS-FSA]: names, contents, streams, attributes, deletion."""
