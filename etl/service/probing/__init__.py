"""The experiments behind `etl init`: few requests, one after the other, each answering a question that is still open.

What to ask and what an answer means is decided in `etl.probe`; here is the order of the questions, and their price.
"""
