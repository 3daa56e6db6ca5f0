// The API's description, drawn by Swagger UI from this gateway's own files.
"use strict";
SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null });
