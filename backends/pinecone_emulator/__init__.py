"""
A stand-in for Pinecone's REST API, for tests without an account.

It speaks the part of the control and data plane that a store needs, refuses what the service refuses,
keeps its data in SQLite and can delay the visibility of writes.  What passes here says that a client
talks to the API as documented; it says nothing about Pinecone itself.
"""
