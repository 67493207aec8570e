import playbook from "playbook.ts";

export default async (job) => {
  if (typeof playbook !== "object" || playbook === null)
    throw new Error("a playbook is the default export of its file");
  if (job.part === "declare") {
    const inputs = Object.entries(playbook.inputs ?? {}).map(([name, input]) => ({ ...input, name }));
    return { title: playbook.title, about: playbook.about ?? "", inputs };
  }
  if (job.part === "plan") return await playbook.plan(job);
  if (job.part === "task") {
    const tasks = playbook.tasks ?? {};
    if (!Object.hasOwn(tasks, job.task)) throw new Error(`the playbook has no task \`${job.task}\``);
    return await tasks[job.task]({ ...job, tools: globalThis.tools });
  }
  if (playbook.answer !== undefined) return await playbook.answer(job);
  const told = job.results.filter((one) => typeof one.result === "string" && one.result !== "");
  return [`${job.title}: done.`, ...told.map((one) => `**${one.title}** ${one.result}`)].join("\n\n");
};
