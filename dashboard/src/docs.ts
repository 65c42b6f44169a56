/** /docs: the API's own document, read and tried out. Nothing of it comes from another host. */
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import "swagger-ui-dist/swagger-ui.css";
import "./styles/docs.css";

SwaggerUI({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  // It would send the document to a server of somebody else.
  validatorUrl: null,
  persistAuthorization: false,
  supportedSubmitMethods: ["get", "post", "put", "patch", "delete"],
});
