"""The tables in which a clock has a part. They may come out otherwise on another machine or another day."""
