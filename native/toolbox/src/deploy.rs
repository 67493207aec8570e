//! `web.deploy`: a folder of the project as a page on this machine, until the run ends.

use std::sync::Arc;

use openwrap_contracts::media::{PreviewRequest, Previews};
use openwrap_contracts::ports::{Task, Tool, ToolInput};
use openwrap_contracts::tool::{Reach, Repeatability, ToolDefinition, ToolOutput};
use openwrap_contracts::{Fault, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::place::{Place, normal};
use crate::summary::word;

const NAME: &str = "web.deploy";
/// Ports below belong to the system.
const PORT_MIN: u16 = 1024;

pub struct WebDeploy {
    definition: ToolDefinition,
    previews: Arc<dyn Previews>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Arguments {
    path: String,
    #[serde(default)]
    port: Option<u16>,
}

impl WebDeploy {
    pub fn new(previews: Arc<dyn Previews>) -> Self {
        Self {
            definition: ToolDefinition {
                name: NAME.to_owned(),
                description: "Serves a folder of the project as a website on 127.0.0.1 of this machine until the run ends, and \
                    answers with its `url`. What is served is a copy made now: deploy again after changes. `index.html` \
                    stands for its folder; names that begin with a dot are left out."
                    .to_owned(),
                input_schema: json!({
                    "type": "object",
                    "properties": {
                        "path": { "type": "string", "minLength": 1, "description": "Folder from the project's; `.` is the project itself." },
                        "port": { "type": "integer", "minimum": PORT_MIN, "maximum": u16::MAX, "description": "Port to serve on; a free one when left out." },
                    },
                    "required": ["path"],
                    "additionalProperties": false,
                }),
                repeat: Repeatability::Observed,
                reach: Reach::Confined,
            },
            previews,
        }
    }

    async fn deploy(&self, input: ToolInput) -> Outcome<ToolOutput> {
        let arguments = checked(&input.arguments)?;
        let path = normal(&arguments.path)?;
        let (root, folder) = (input.view.root.clone(), path.clone());
        crate::blocking(move || Place::open(&root, None)?.folder(&folder).map(|_| ())).await?;
        let request = PreviewRequest {
            run_id: input.run_id,
            step: input.step,
            root: input.view.root,
            path,
            port: arguments.port,
        };
        let preview = self.previews.serve(request, input.cancel).await?;
        Ok(ToolOutput::read_only(json!({
            "url": preview.url, "files": preview.files, "bytes": preview.bytes,
        })))
    }
}

fn checked(value: &Value) -> Outcome<Arguments> {
    let arguments: Arguments = crate::arguments(NAME, value)?;
    if arguments.port.is_some_and(|port| port < PORT_MIN) {
        return Err(Fault::invalid(format!("{NAME}: `port` is {PORT_MIN} at least")));
    }
    Ok(arguments)
}

impl Tool for WebDeploy {
    fn definition(&self) -> &ToolDefinition {
        &self.definition
    }

    fn needs(&self, arguments: &Value) -> Outcome<Vec<String>> {
        Ok(vec![format!("read:{}", normal(&checked(arguments)?.path)?)])
    }

    fn summary(&self, arguments: &Value) -> String {
        let port = arguments["port"].as_u64().map(|port| format!(", port {port}"));
        format!(
            "serve {} on 127.0.0.1{}",
            word(arguments["path"].as_str().unwrap_or_default()),
            port.unwrap_or_default()
        )
    }

    fn run(&self, input: ToolInput) -> Task<'_, Outcome<ToolOutput>> {
        Box::pin(self.deploy(input))
    }
}
