"""The networks behind the targets, in the layout their authors published."""
