"""What came from the sequencer: tables of counts and their genes."""
