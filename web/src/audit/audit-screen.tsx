// Audit: whether the log is whole, by two who do not share their work, and what is in it.

import "../styles/audit.css";
import type { JSX } from "solid-js";
import { EventSearch } from "./event-search.tsx";
import { Export } from "./export.tsx";
import { Verifying } from "./verifying.tsx";

export default function AuditScreen(): JSX.Element {
  return (
    <main class="page audit" id="main">
      <h1 class="say-6" tabIndex={-1}>
        Audit
      </h1>
      <Verifying />
      <EventSearch />
      <Export />
    </main>
  );
}
