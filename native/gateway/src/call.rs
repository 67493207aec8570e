//! The front of the pipeline: known and allowed tool, schema, needs, decision, question.

use std::sync::{Arc, PoisonError, RwLock};

use openwrap_contracts::canonical::{Hashed, canonical_bytes, sha256_hex};
use openwrap_contracts::event::{Event, Fact};
use openwrap_contracts::grant::{ApprovePolicy, EffectiveDecision, Grant};
use openwrap_contracts::identity::Actor;
use openwrap_contracts::limits::TOOL_ARGUMENTS_BYTES_MAX;
use openwrap_contracts::model::ToolOffer;
use openwrap_contracts::network::Networks;
use openwrap_contracts::plan::{Plan, PlanTask};
use openwrap_contracts::ports::{
    Approver, Blobs, CancellationToken, Clock, Gateway, Named, Task, Tool, ToolCall, Views,
};
use openwrap_contracts::tool::{Reach, ToolDefinition, ToolStep, preview};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use openwrap_grants::{Capability, DecideInput, Verdict, capabilities_held, capabilities_of, decide, visible};

use crate::effect::Effect;
use crate::guest::{Guests, allows, recorded};
use crate::outcome::{error_content, rendered};
use crate::question::question;
use crate::registry::{Registered, Registry};

/// The gateway: holds the tools, the views they work in and the blobs their results go to.
pub struct ToolGatewayCore {
    registry: Arc<Registry>,
    guests: RwLock<Arc<Guests>>,
    pub(crate) views: Arc<dyn Views>,
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) clock: Arc<dyn Clock>,
    /// What of the network a step's programs get; none without it.
    pub(crate) networks: Option<Arc<dyn Networks>>,
}

/// The call as it is written down.
pub(crate) struct Papers {
    pub arguments: Hashed,
    pub request_hash: String,
    pub summary: String,
}

/// Permission to run: what it rests on.
pub(crate) struct Permission {
    pub needs: Vec<Capability>,
    pub grant_ids: Vec<String>,
    pub decision: EffectiveDecision,
    /// What the changes of the act may touch.
    pub writes: Vec<Capability>,
    pub denies: Vec<Capability>,
    /// A program the act starts may reach something.
    pub networked: bool,
}

/// Why a call never ran.
struct Refusal {
    fault: Fault,
    decision: Option<EffectiveDecision>,
}

enum Answer {
    Go(Permission),
    Refused(Refusal),
}

impl ToolGatewayCore {
    /// Compiles every tool's schema once.
    ///
    /// # Errors
    /// `ALREADY_EXISTS` (two tools of one name, also on the wire), `INVALID_ARGUMENTS` (a schema that is none).
    pub fn new(
        tools: Vec<Arc<dyn Tool>>,
        views: Arc<dyn Views>,
        blobs: Arc<dyn Blobs>,
        clock: Arc<dyn Clock>,
    ) -> Outcome<Self> {
        Ok(Self {
            registry: Arc::new(Registry::new(tools)?),
            guests: RwLock::default(),
            views,
            blobs,
            clock,
            networks: None,
        })
    }

    /// Gives the programs of a step what of the network its grants name.
    #[must_use]
    pub fn with_networks(mut self, networks: Arc<dyn Networks>) -> Self {
        self.networks = Some(networks);
        self
    }

    /// Replaces the tools of other servers (`SERVER:TOOL`). Calls under way go on. What cannot be taken is named.
    pub fn set_guests(&self, tools: Vec<Arc<dyn Tool>>) -> Vec<Fault> {
        let (guests, refused) = Guests::new(tools, &self.registry);
        *self.guests.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(guests);
        refused
    }

    /// The same gateway for a replay: the tools of other servers as the record offered them. Their results are in the record as well;
    /// none of them runs.
    #[must_use]
    pub fn for_replay(&self, offered: Vec<ToolOffer>) -> Self {
        let (guests, _) = Guests::new(recorded(offered), &self.registry);
        Self {
            registry: Arc::clone(&self.registry),
            guests: RwLock::new(Arc::new(guests)),
            views: Arc::clone(&self.views),
            blobs: Arc::clone(&self.blobs),
            clock: Arc::clone(&self.clock),
            networks: self.networks.clone(),
        }
    }

    fn guests(&self) -> Arc<Guests> {
        Arc::clone(&self.guests.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn known(&self, name: &str) -> Option<Arc<Registered>> {
        self.registry.get(name).or_else(|| self.guests().get(name))
    }

    async fn pipeline(
        &self,
        call: ToolCall,
        approver: Arc<dyn Approver>,
        cancel: CancellationToken,
    ) -> Outcome<ToolStep> {
        if cancel.is_cancelled() {
            return Err(Fault::canceled());
        }
        let mut papers = Papers::of(&call)?;
        let (known, needs) = match self.admitted(&call, &mut papers) {
            Ok(admitted) => admitted,
            Err(fault) => {
                let refusal = Refusal { fault, decision: None };
                return self.refuse(&call, papers, refusal, &approver).await;
            }
        };
        match self
            .permission(&call, &papers, &known, needs, &approver, &cancel)
            .await?
        {
            Answer::Refused(refusal) => self.refuse(&call, papers, refusal, &approver).await,
            Answer::Go(permission) => {
                let tool = Arc::clone(&known.tool);
                let effect = Effect {
                    core: self,
                    tool,
                    papers,
                    permission,
                    approver,
                    cancel,
                    over: Arc::default(),
                };
                effect.run(call).await
            }
        }
    }

    /// Known tool, allowed for the role, arguments within size and schema; the needs of the call.
    fn admitted(&self, call: &ToolCall, papers: &mut Papers) -> Outcome<(Arc<Registered>, Vec<Capability>)> {
        let Some(known) = self.known(&call.tool) else {
            return Err(Fault::new(
                ErrorCode::NotFound,
                format!(
                    "there is no tool `{}`; this role has {}",
                    preview(&call.tool),
                    call.allowed_tools.join(", ")
                ),
            )
            .with_hint("Use one of the named tools."));
        };
        if !allows(&call.allowed_tools, &call.tool) {
            return Err(Fault::new(
                ErrorCode::PermissionDenied,
                format!("the role {} does not have the tool `{}`", call.role, call.tool),
            ));
        }
        let bytes = papers.arguments.bytes().len();
        if bytes > TOOL_ARGUMENTS_BYTES_MAX {
            return Err(Fault::new(
                ErrorCode::LimitExceeded,
                format!("the arguments are {bytes} bytes, {TOOL_ARGUMENTS_BYTES_MAX} are the most"),
            ));
        }
        known.check(&call.arguments)?;
        papers.summary = visible::line(&known.tool.summary(&call.arguments));
        let needs = known.tool.needs(&call.arguments)?;
        let needs = needs.iter().map(|need| single(need));
        Ok((known, needs.collect::<Outcome<Vec<Capability>>>()?))
    }

    async fn permission(
        &self,
        call: &ToolCall,
        papers: &Papers,
        known: &Registered,
        needs: Vec<Capability>,
        approver: &Arc<dyn Approver>,
        cancel: &CancellationToken,
    ) -> Outcome<Answer> {
        let denies: Outcome<Vec<Capability>> = approver.denies().iter().map(|rule| Capability::parse(rule)).collect();
        // A rule that cannot be read must not turn into no rule.
        let denies = denies.map_err(|fault| Fault::internal(format!("a rule of the workflow: {}", fault.message)))?;
        let grants = approver.grants(&call.step);
        let policy = approver.policy();
        let irreversible = known.tool.definition().reach == Reach::Irreversible;
        let verdict = decide(&DecideInput {
            needs: &needs,
            grants: &grants,
            denies: &denies,
            policy,
            labels: &call.labels,
            run_id: &call.run_id,
            step: &call.step,
            irreversible,
            now: self.clock.now_ms(),
        });
        if irreversible && !call.head && !matches!(verdict, Verdict::Deny { .. }) {
            return Err(Fault::new(
                ErrorCode::NeedsHead,
                format!(
                    "`{}` cannot be undone; it waits until every earlier task has settled",
                    call.tool
                ),
            ));
        }
        let (grant_ids, decision) = match verdict {
            Verdict::Deny { code, reason } => return Ok(denied(call, code, reason)),
            Verdict::Allow { grant_ids, answered } => (grant_ids, allowed(answered)),
            Verdict::Ask { missing, risk } => {
                let sources = match call.labels.is_empty() {
                    true => Vec::new(),
                    false => approver.sources(&call.step).await?,
                };
                let hash = papers.arguments.hex();
                let question = question(call, (&papers.summary, &hash), (&missing, risk), &sources);
                let decision = approver.ask(call.step.clone(), question, cancel.clone()).await?;
                if !decision.allow {
                    return Ok(said_no(&missing, decision));
                }
                (Vec::new(), allowed(true))
            }
        };
        let held = capabilities_held(&grants, &call.run_id, &call.step.task_id, self.clock.now_ms());
        let reaches = |held: &Capability| matches!(held, Capability::Net(_));
        let networked = self.networks.is_some() && held.iter().chain(&needs).any(reaches);
        let writes = writes_of(held, &needs, policy);
        Ok(Answer::Go(Permission {
            needs,
            grant_ids,
            decision,
            writes,
            denies,
            networked,
        }))
    }

    /// The call never ran; the worker reads why. A finished step all the same.
    async fn refuse(
        &self,
        call: &ToolCall,
        papers: Papers,
        refusal: Refusal,
        approver: &Arc<dyn Approver>,
    ) -> Outcome<ToolStep> {
        let reason = refusal.decision.as_ref().and_then(|decision| decision.reason.clone());
        let (bytes, text) = rendered(&error_content(&refusal.fault, reason.as_deref()))?;
        let result = Hashed::new(bytes);
        let result_hash = result.hex();
        let fact = Fact::ToolRefused {
            tool: call.tool.clone(),
            call_id: call.call_id.clone(),
            request_hash: papers.request_hash,
            arguments_hash: papers.arguments.hex(),
            summary: preview(&papers.summary),
            code: refusal.fault.code,
            decision: refusal.decision,
            result_hash: result_hash.clone(),
            preview: preview(&text),
        };
        let content = result.bytes().clone();
        let named = Named::new(&*self.blobs, vec![papers.arguments, result]);
        approver
            .ledger()
            .append_behind(named, vec![self.event(call, fact)])
            .await?;
        Ok(ToolStep {
            text,
            result: content,
            is_error: true,
            labels: Vec::new(),
            result_hash,
            change_set_hash: None,
        })
    }

    pub(crate) fn event(&self, call: &ToolCall, fact: Fact) -> Event {
        Event {
            at: self.clock.now_ms(),
            actor: Actor::worker(call.step.task_id.clone()),
            project_id: Some(call.project_id.clone()),
            run_id: Some(call.run_id.clone()),
            task_id: Some(call.step.task_id.clone()),
            attempt: (call.step.attempt > 0).then_some(call.step.attempt),
            step: (call.step.step > 0).then_some(call.step.step),
            fact,
        }
    }
}

impl Papers {
    /// The canonical form is made once: it is the blob, its hash, and part of the request's hash.
    fn of(call: &ToolCall) -> Outcome<Self> {
        let arguments = canonical_bytes(&call.arguments)?;
        let tool = canonical_bytes(&call.tool)?;
        let mut request = Vec::with_capacity(arguments.len() + tool.len() + 24);
        request.extend_from_slice(b"{\"arguments\":");
        request.extend_from_slice(&arguments);
        request.extend_from_slice(b",\"tool\":");
        request.extend_from_slice(&tool);
        request.push(b'}');
        Ok(Self {
            request_hash: sha256_hex(&request),
            arguments: Hashed::new(arguments),
            summary: call.tool.clone(),
        })
    }
}

/// The reason of a yes is left out: a later step the same answer covers would not have it, and records must not tell them apart.
fn allowed(asked: bool) -> EffectiveDecision {
    EffectiveDecision {
        allow: true,
        asked,
        reason: None,
    }
}

fn denied(call: &ToolCall, code: ErrorCode, reason: String) -> Answer {
    Answer::Refused(Refusal {
        fault: Fault::new(code, format!("`{}` was refused: {reason}", call.tool)),
        decision: Some(EffectiveDecision {
            allow: false,
            asked: false,
            reason: Some(reason),
        }),
    })
}

fn said_no(missing: &[Capability], decision: EffectiveDecision) -> Answer {
    let named: Vec<String> = missing.iter().map(|need| format!("`{need}`")).collect();
    let what = if named.is_empty() {
        "this act".to_owned()
    } else {
        named.join(", ")
    };
    Answer::Refused(Refusal {
        fault: Fault::new(ErrorCode::PermissionDenied, format!("a person did not allow {what}")),
        decision: Some(decision),
    })
}

/// A need names one thing: `write:*` for a file called `*` would be asked about as one file and allow all.
fn single(need: &str) -> Outcome<Capability> {
    let capability = Capability::parse(need)?;
    if capability.is_single() {
        return Ok(capability);
    }
    Err(Fault::invalid(format!(
        "{} names more than one thing; `*` cannot be part of a name here",
        visible::fact(need)
    )))
}

/// Paths the act may change: what the step's grants cover, and what was decided for this very call.
fn writes_of(held: Vec<Capability>, needs: &[Capability], policy: ApprovePolicy) -> Vec<Capability> {
    let mut writes = held;
    writes.extend(needs.iter().cloned());
    if policy == ApprovePolicy::All {
        writes.extend(Capability::parse("write:."));
    }
    writes.retain(|capability| matches!(capability, Capability::Write(_)));
    writes
}

impl Gateway for ToolGatewayCore {
    fn offers(&self, tools: &[String]) -> Vec<ToolOffer> {
        let mut offers = self.registry.offers(tools);
        offers.extend(self.guests().offers(tools));
        offers
    }

    fn definition(&self, tool: &str) -> Option<ToolDefinition> {
        self.known(tool).map(|known| known.tool.definition().clone())
    }

    fn bundle(&self, plan: &Plan) -> Outcome<Vec<String>> {
        openwrap_grants::bundle_of(plan)
    }

    fn task_bundle(&self, task: &PlanTask) -> Outcome<Vec<String>> {
        openwrap_grants::task_bundle(task)
    }

    fn refused_writes(&self, paths: &[String], grants: &[Grant]) -> Vec<String> {
        openwrap_grants::refused_writes(paths, &capabilities_of(grants), &[])
    }

    fn denied_writes(&self, paths: &[String], denies: &[String]) -> Vec<String> {
        let denies: Outcome<Vec<Capability>> = denies.iter().map(|rule| Capability::parse(rule)).collect();
        match denies {
            Ok(denies) => openwrap_grants::denied_writes(paths, &denies),
            Err(_) => paths.to_vec(),
        }
    }

    fn call(
        &self,
        call: ToolCall,
        approver: Arc<dyn Approver>,
        cancel: CancellationToken,
    ) -> Task<'_, Outcome<ToolStep>> {
        Box::pin(self.pipeline(call, approver, cancel))
    }
}
