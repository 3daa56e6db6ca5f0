"""What is kept: the database, its tables, replies that are given twice."""
