"""``vsl db doctor``: questions to a database about its health, and what the answers mean.

Each check is data (``live``, ``storage``) and one SQL file. ``judge`` compares what the file
answers with the check's limits; ``run`` asks them all.
"""
