"""The embedded small Taskonomy: rendered rooms, their labels, trained encoders and measured transfer."""
