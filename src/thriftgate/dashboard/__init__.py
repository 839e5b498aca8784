"""What people look at: pages and a JSON API over the books, served by the gateway or beside it. May import: gateway, audit,
answers and below; nothing of the gateway knows of it.

Start reading at `app.py`. A page is a file in `pages/`, which says what it shows as a document (the API answers with the
same one), and a template that shows it. No script is needed to read a page.
"""
