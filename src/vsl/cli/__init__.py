"""The command line: parsing, assembly and presentation."""
