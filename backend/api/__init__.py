"""HTTP and sockets, one file a resource; message structs beside their routes, guards named as sentences."""
