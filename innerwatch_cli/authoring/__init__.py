"""What rule authors work with: rule files and their cases, checked, run and explained."""
