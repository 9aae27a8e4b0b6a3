"""From scene files and renderings to the batches that training sees."""
