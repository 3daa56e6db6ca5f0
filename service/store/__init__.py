"""What is kept: the database, its tables, keys, replies that are given twice."""
