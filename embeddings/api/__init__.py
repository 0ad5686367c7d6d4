"""Search, encoders and embedding jobs for other programs (itembank/api/site.py names the routers)."""
