"""What came in: figures by day, coin and status, and the rows of a file for accounting."""
