"""What a notebook shows that can be typed into: the launch form, made of ipywidgets, so that it works in every front end.

`fields` makes an input of each row of the option table, `offers` knows what the service has to choose from, `form` puts them
together, `outlook` asks what would happen, `waiting` calls it once nobody types, `inserting` asks the page for a cell.
Rule: no logic of runs here: words come from `render`, everything else from `client`. Imported when a form is shown.
"""
