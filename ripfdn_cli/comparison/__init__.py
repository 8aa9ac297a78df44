"""What several networks make of a picture, as a page to compare by eye."""
