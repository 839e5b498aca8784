"""The OpenAI dialects: what clients of the OpenAI API write and read, as Messages and back."""
