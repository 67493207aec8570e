//! TypeScript to JavaScript by blanking: every type becomes spaces, nothing moves. Line and column of the JavaScript are those of
//! the TypeScript, so no source map is needed.
//!
//! What has no meaning without its types' code (`enum`, `namespace`, parameter properties, `<T>x`) is refused, and so is what
//! the engine does not have (decorators, `import()`). The result is read again as JavaScript and must have the same statements
//! and members in the same places: a line break inside a type that would end a statement early is refused, never run.

use std::collections::BTreeSet;

use openwrap_contracts::fault::{Fault, Outcome};
use openwrap_contracts::limits::SCRIPT_NESTING_MAX;
use oxc_allocator::Allocator;
use oxc_ast::ast::{
    AccessorProperty, ArrowFunctionExpression, CatchParameter, Class, ClassElement, Declaration, Decorator,
    ExportDefaultDeclaration, ExportDefaultDeclarationKind, ExportSpecifier, Expression, FormalParameter,
    FormalParameterRest, Function, ImportDeclarationSpecifier, ImportOrExportKind, MethodDefinition,
    MethodDefinitionType, Program, PropertyDefinition, PropertyDefinitionType, PropertyKey, Statement, TSAsExpression,
    TSNonNullExpression, TSSatisfiesExpression, TSThisParameter, TSTypeAnnotation, TSTypeAssertion,
    TSTypeParameterDeclaration, TSTypeParameterInstantiation, VariableDeclarator,
};
use oxc_ast_visit::{Visit, walk};
use oxc_parser::config::TokensParserConfig;
use oxc_parser::{ParseOptions, Parser};
use oxc_span::{GetSpan, SourceType, Span};

/// Stack the parser may need for each byte of a source that does nothing but nest.
pub(crate) const STACK_BYTES_PER_BYTE: usize = 3 * 1024;

/// JavaScript of the same length in characters as its TypeScript.
#[derive(Debug, PartialEq, Eq)]
pub struct Stripped {
    pub code: String,
    /// It imports or exports: a module. Else a function's body.
    pub is_module: bool,
}

/// Opening `<` of one source: the parser tries each as the start of type arguments, again for each before it.
const ANGLES_MAX: usize = 1_000;
/// Brackets open at once, wherever they stand; the parser follows them, and tries some twice.
const BRACKETS_MAX: usize = 300;

/// Blanks the types of `source`; `name` names it in a fault.
///
/// Needs `STACK_BYTES_PER_BYTE` of stack for each byte of the source: the parser follows its nesting.
///
/// # Errors
/// `INVALID_ARGUMENTS` as `NAME:LINE:COLUMN: …`.
pub fn strip(name: &str, source: &str) -> Outcome<Stripped> {
    let fail = |(at, message): (u32, String)| fault_at(name, source, at, &message);
    check_brackets(source).map_err(fail)?;
    let allocator = Allocator::default();
    let typed = read(&allocator, source, SourceType::ts().with_module(true)).map_err(fail)?;
    let mut eraser = Eraser::new(source, &typed.tokens);
    eraser.visit_program(&typed.program);
    if let Some(refused) = eraser.refused.take() {
        return Err(fail(refused));
    }
    let code = eraser.erased();
    let allocator = Allocator::default();
    let places = |at: u32| char_offset(source, at);
    let plain = read(&allocator, &code, SourceType::mjs()).map_err(|(at, message)| {
        let (line, column) = position(&code, at);
        Fault::invalid(format!(
            "{name}:{line}:{column}: {message} (once the types are taken away)"
        ))
    })?;
    let mut shape = Shape::default();
    shape.visit_program(&plain.program);
    let kept: BTreeSet<usize> = eraser.kept.iter().map(|at| places(*at)).collect();
    let found: BTreeSet<usize> = shape.starts.iter().map(|at| char_offset(&code, *at)).collect();
    if let Some(at) = kept.symmetric_difference(&found).next() {
        let at = source.char_indices().nth(*at).map_or(source.len(), |(byte, _)| byte);
        let message = "without its types this would be read otherwise; end the statement before it with `;`, or put the type on one line";
        return Err(fault_at(name, source, u32::try_from(at).unwrap_or(u32::MAX), message));
    }
    let is_module = plain.program.body.iter().any(Statement::is_module_declaration);
    Ok(Stripped { code, is_module })
}

/// Names of the files a source imports values from, in order, without a leading `./`.
///
/// # Errors
/// As [`strip`], of which it has the needs.
pub fn imports(name: &str, source: &str) -> Outcome<Vec<String>> {
    let fail = |(at, message): (u32, String)| fault_at(name, source, at, &message);
    check_brackets(source).map_err(fail)?;
    let allocator = Allocator::default();
    let typed = read(&allocator, source, SourceType::ts().with_module(true)).map_err(fail)?;
    let from = typed.program.body.iter().filter_map(|statement| match statement {
        Statement::ImportDeclaration(it) if it.import_kind != ImportOrExportKind::Type => Some(&it.source),
        Statement::ExportAllDeclaration(it) if it.export_kind != ImportOrExportKind::Type => Some(&it.source),
        Statement::ExportFromDeclaration(it) if it.export_kind != ImportOrExportKind::Type => Some(&it.source),
        _ => None,
    });
    let named = from.map(|from| from.value.as_str());
    Ok(named
        .map(|from| from.strip_prefix("./").unwrap_or(from).to_owned())
        .collect())
}

/// Refuses what the parser would take long over, before it starts.
fn check_brackets(source: &str) -> Result<(), (u32, String)> {
    let (mut open, mut angles) = (0_usize, 0_usize);
    for (at, letter) in source.bytes().enumerate() {
        match letter {
            b'(' | b'[' | b'{' => open += 1,
            b')' | b']' | b'}' => open = open.saturating_sub(1),
            b'<' => angles += 1,
            _ => continue,
        }
        if open > BRACKETS_MAX || angles > ANGLES_MAX {
            let message = format!("more than {BRACKETS_MAX} brackets are open, or more than {ANGLES_MAX} `<` used");
            return Err((u32::try_from(at).unwrap_or(u32::MAX), message));
        }
    }
    Ok(())
}

struct Read<'a> {
    program: Program<'a>,
    tokens: Vec<Span>,
}

/// Parses; the first error as (byte offset, message).
fn read<'a>(allocator: &'a Allocator, source: &'a str, kind: SourceType) -> Result<Read<'a>, (u32, String)> {
    let options = ParseOptions {
        allow_return_outside_function: true,
        ..ParseOptions::default()
    };
    let answer = Parser::new(allocator, source, kind)
        .with_options(options)
        .with_config(TokensParserConfig)
        .parse();
    if let Some(error) = answer.diagnostics.errors().next() {
        let at = error.labels.first().map_or(0, |label| label.offset());
        return Err((at, error.message.to_string()));
    }
    if answer.panicked {
        return Err((0, "cannot be read as TypeScript".to_owned()));
    }
    let tokens = answer.tokens.iter().map(|token| token.span()).collect();
    Ok(Read {
        program: answer.program,
        tokens,
    })
}

fn fault_at(name: &str, source: &str, at: u32, message: &str) -> Fault {
    let (line, column) = position(source, at);
    Fault::invalid(format!("{name}:{line}:{column}: {message}")).with_hint("Correct the script at the named place.")
}

/// Line and column, both from 1, of a byte offset; columns count characters.
fn position(source: &str, at: u32) -> (usize, usize) {
    let before = source.get(..at as usize).unwrap_or(source);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

fn char_offset(source: &str, at: u32) -> usize {
    source.get(..at as usize).unwrap_or(source).chars().count()
}

/// Starts of the statements and class members of a program, empty ones left out.
#[derive(Default)]
struct Shape {
    starts: Vec<u32>,
}

impl<'a> Visit<'a> for Shape {
    fn visit_statement(&mut self, it: &Statement<'a>) {
        if !matches!(it, Statement::EmptyStatement(_)) {
            self.starts.push(it.span().start);
        }
        walk::walk_statement(self, it);
    }

    fn visit_class_element(&mut self, it: &ClassElement<'a>) {
        self.starts.push(element_start(it, it.span().start));
        walk::walk_class_element(self, it);
    }
}

/// Where a member starts once its modifiers are gone: at `static`, `get`, `async`, `*` or the key.
fn element_start(it: &ClassElement<'_>, otherwise: u32) -> u32 {
    match it.property_key() {
        Some(key) => key.span().start,
        None => otherwise,
    }
}

/// Walks the typed program and notes what to blank.
struct Eraser<'s> {
    source: &'s str,
    tokens: &'s [Span],
    blanks: Vec<Span>,
    /// Blanked starts that become `;`.
    ends: BTreeSet<u32>,
    /// Statements and members that stay.
    kept: Vec<u32>,
    refused: Option<(u32, String)>,
    depth: usize,
}

const MODIFIERS: &[&str] = &[
    "public",
    "private",
    "protected",
    "readonly",
    "override",
    "abstract",
    "declare",
];

impl<'s> Eraser<'s> {
    fn new(source: &'s str, tokens: &'s [Span]) -> Self {
        Self {
            source,
            tokens,
            blanks: Vec::new(),
            ends: BTreeSet::new(),
            kept: Vec::new(),
            refused: None,
            depth: 0,
        }
    }

    fn refuse(&mut self, span: Span, message: &str) {
        self.refused.get_or_insert_with(|| (span.start, message.to_owned()));
    }

    fn blank(&mut self, span: Span) {
        self.blanks.push(span);
    }

    /// Blanks a whole statement or member and leaves `;` in its place, so that its neighbours stay apart.
    fn drop_whole(&mut self, span: Span) {
        self.ends.insert(span.start);
        self.blanks.push(span);
    }

    fn text(&self, token: Span) -> &'s str {
        self.source.get(token.start as usize..token.end as usize).unwrap_or("")
    }

    /// Index of the first token at or after an offset.
    fn token_at(&self, at: u32) -> usize {
        self.tokens.partition_point(|token| token.start < at)
    }

    /// Blanks the token after `at` if it reads `text`.
    fn blank_next(&mut self, at: u32, text: &str) {
        if let Some(token) = self.tokens.get(self.token_at(at)).copied()
            && self.text(token) == text
        {
            self.blank(token);
        }
    }

    /// Where a statement starts once `abstract` is gone.
    fn statement_start(&self, it: &Statement<'_>) -> u32 {
        match it {
            Statement::ClassDeclaration(it) if it.r#abstract => self.class_keyword(it),
            _ => it.span().start,
        }
    }

    fn class_keyword(&self, it: &Class<'_>) -> u32 {
        let first = self.token_at(it.span.start);
        let keyword = self
            .tokens
            .iter()
            .skip(first)
            .find(|token| self.text(**token) == "class");
        keyword.map_or(it.span.start, |token| token.start)
    }

    /// Blanks the modifiers of a member before what it names; the first becomes `;`, which keeps it apart from the member before.
    fn blank_modifiers(&mut self, from: u32, to: u32) {
        let first = self.token_at(from);
        let tokens = self.tokens;
        for token in tokens.iter().skip(first).take_while(|token| token.start < to) {
            if MODIFIERS.contains(&self.text(*token)) {
                if token.start == from {
                    self.ends.insert(from);
                }
                self.blank(*token);
            }
        }
    }

    /// One level down; false, and refused, when it is too deep.
    fn enter(&mut self, span: Span) -> bool {
        self.depth += 1;
        if self.depth > SCRIPT_NESTING_MAX {
            self.refuse(span, "nested too deep");
        }
        self.refused.is_none()
    }

    /// The source with the blanks in it: one space for each character, line breaks kept.
    fn erased(&mut self) -> String {
        self.blanks
            .sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        let mut code = String::with_capacity(self.source.len());
        let mut done = 0usize;
        for span in &self.blanks {
            let (start, end) = (span.start as usize, span.end as usize);
            if end <= done {
                continue;
            }
            let start = start.max(done);
            code.push_str(self.source.get(done..start).unwrap_or(""));
            for (at, letter) in self.source.get(start..end).unwrap_or("").char_indices() {
                let ends = at == 0 && self.ends.contains(&span.start) && start == span.start as usize;
                code.push(match letter {
                    _ if ends => ';',
                    '\n' | '\r' | '\u{2028}' | '\u{2029}' => letter,
                    _ => ' ',
                });
            }
            done = end;
        }
        code.push_str(self.source.get(done..).unwrap_or(""));
        code
    }

    /// What of a declaration is types only, or cannot be had.
    fn is_typed_only(&mut self, it: &Declaration<'_>) -> bool {
        match it {
            Declaration::TSTypeAliasDeclaration(_)
            | Declaration::TSInterfaceDeclaration(_)
            | Declaration::TSGlobalDeclaration(_) => true,
            Declaration::VariableDeclaration(it) => it.declare,
            Declaration::FunctionDeclaration(it) => it.declare || it.body.is_none(),
            Declaration::ClassDeclaration(it) => it.declare,
            Declaration::TSEnumDeclaration(it) if !it.declare => {
                self.refuse(it.span, "`enum` is not supported; use a constant object");
                false
            }
            Declaration::TSNamespaceDeclaration(it) if !it.declare => {
                self.refuse(it.span, "`namespace` is not supported; use a constant object");
                false
            }
            Declaration::TSImportEqualsDeclaration(it) => {
                self.refuse(it.span, "`import … =` is not supported; use `import … from`");
                false
            }
            _ => true,
        }
    }

    /// A statement that goes away altogether.
    fn drops(&mut self, it: &Statement<'_>) -> bool {
        if let Some(declaration) = it.as_declaration() {
            return self.is_typed_only(declaration);
        }
        match it {
            Statement::ImportDeclaration(it) => it.import_kind == ImportOrExportKind::Type,
            Statement::ExportAllDeclaration(it) => it.export_kind == ImportOrExportKind::Type,
            Statement::ExportNamedDeclaration(it) => it.export_kind == ImportOrExportKind::Type,
            Statement::ExportFromDeclaration(it) => it.export_kind == ImportOrExportKind::Type,
            Statement::ExportDeclaration(it) => self.is_typed_only(&it.declaration),
            Statement::ExportDefaultDeclaration(it) => is_typed_default(it),
            Statement::TSExportAssignment(it) => {
                self.refuse(it.span, "`export =` is not supported; use `export default`");
                false
            }
            Statement::TSNamespaceExportDeclaration(_) => true,
            _ => false,
        }
    }

    /// Blanks one name of an import or export list, with its comma.
    fn drop_specifier(&mut self, span: Span) {
        self.blank(span);
        self.blank_next(span.end, ",");
    }
}

fn is_typed_default(it: &ExportDefaultDeclaration<'_>) -> bool {
    match &it.declaration {
        ExportDefaultDeclarationKind::TSInterfaceDeclaration(_) => true,
        ExportDefaultDeclarationKind::FunctionDeclaration(it) => it.body.is_none(),
        ExportDefaultDeclarationKind::ClassDeclaration(it) => it.declare,
        _ => false,
    }
}

impl<'a> Visit<'a> for Eraser<'_> {
    fn visit_statement(&mut self, it: &Statement<'a>) {
        if self.enter(it.span()) {
            if self.drops(it) {
                self.drop_whole(it.span());
            } else {
                if !matches!(it, Statement::EmptyStatement(_)) {
                    self.kept.push(self.statement_start(it));
                }
                walk::walk_statement(self, it);
            }
        }
        self.depth -= 1;
    }

    fn visit_expression(&mut self, it: &Expression<'a>) {
        if self.enter(it.span()) {
            if let Expression::ImportExpression(it) = it {
                self.refuse(
                    it.span,
                    "`import()` is not supported; nothing is loaded while a script runs",
                );
            }
            walk::walk_expression(self, it);
        }
        self.depth -= 1;
    }

    fn visit_ts_as_expression(&mut self, it: &TSAsExpression<'a>) {
        self.blank(Span::new(it.expression.span().end, it.span.end));
        walk::walk_ts_as_expression(self, it);
    }

    fn visit_ts_satisfies_expression(&mut self, it: &TSSatisfiesExpression<'a>) {
        self.blank(Span::new(it.expression.span().end, it.span.end));
        walk::walk_ts_satisfies_expression(self, it);
    }

    fn visit_ts_non_null_expression(&mut self, it: &TSNonNullExpression<'a>) {
        self.blank(Span::new(it.expression.span().end, it.span.end));
        walk::walk_ts_non_null_expression(self, it);
    }

    fn visit_ts_type_assertion(&mut self, it: &TSTypeAssertion<'a>) {
        self.refuse(it.span, "`<T>x` is not supported; write `x as T`");
    }

    fn visit_ts_type(&mut self, _it: &oxc_ast::ast::TSType<'a>) {}

    fn visit_ts_type_annotation(&mut self, it: &TSTypeAnnotation<'a>) {
        self.blank(it.span);
    }

    fn visit_ts_type_parameter_declaration(&mut self, it: &TSTypeParameterDeclaration<'a>) {
        self.blank(it.span);
    }

    fn visit_ts_type_parameter_instantiation(&mut self, it: &TSTypeParameterInstantiation<'a>) {
        self.blank(it.span);
    }

    fn visit_ts_this_parameter(&mut self, it: &TSThisParameter<'a>) {
        self.blank(it.span);
        self.blank_next(it.span.end, ",");
    }

    fn visit_decorator(&mut self, it: &Decorator<'a>) {
        self.refuse(it.span, "decorators are not supported");
    }

    fn visit_formal_parameter(&mut self, it: &FormalParameter<'a>) {
        if it.accessibility.is_some() || it.readonly || it.r#override {
            self.refuse(
                it.span,
                "parameter properties are not supported; assign the field in the constructor",
            );
        }
        if it.optional {
            self.blank_next(it.pattern.span().end, "?");
        }
        walk::walk_formal_parameter(self, it);
    }

    fn visit_formal_parameter_rest(&mut self, it: &FormalParameterRest<'a>) {
        walk::walk_formal_parameter_rest(self, it);
    }

    fn visit_catch_parameter(&mut self, it: &CatchParameter<'a>) {
        walk::walk_catch_parameter(self, it);
    }

    fn visit_variable_declarator(&mut self, it: &VariableDeclarator<'a>) {
        if it.definite {
            self.blank_next(it.id.span().end, "!");
        }
        walk::walk_variable_declarator(self, it);
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        walk::walk_arrow_function_expression(self, it);
    }

    fn visit_function(&mut self, it: &Function<'a>, flags: oxc_syntax::scope::ScopeFlags) {
        walk::walk_function(self, it, flags);
    }

    fn visit_class(&mut self, it: &Class<'a>) {
        let keyword = self.class_keyword(it);
        self.blank(Span::new(it.span.start, keyword));
        if let (Some(one), Some(last)) = (it.implements.first(), it.implements.last()) {
            let word = self.token_at(one.span.start).saturating_sub(1);
            let start = self.tokens.get(word).map_or(one.span.start, |token| token.start);
            self.blank(Span::new(start, last.span.end));
        }
        walk::walk_class(self, it);
    }

    fn visit_ts_class_implements_list(&mut self, _it: &oxc_allocator::Vec<'a, oxc_ast::ast::TSClassImplements<'a>>) {}

    fn visit_class_element(&mut self, it: &ClassElement<'a>) {
        let drops = match it {
            ClassElement::MethodDefinition(it) => is_typed_method(it),
            ClassElement::PropertyDefinition(it) => {
                it.declare || it.r#type == PropertyDefinitionType::TSAbstractPropertyDefinition
            }
            ClassElement::AccessorProperty(_) => {
                self.refuse(it.span(), "`accessor` is not supported; write a getter and a setter");
                false
            }
            ClassElement::TSIndexSignature(_) => true,
            ClassElement::StaticBlock(_) => false,
        };
        if drops {
            self.drop_whole(it.span());
            return;
        }
        self.kept.push(element_start(it, it.span().start));
        walk::walk_class_element(self, it);
    }

    fn visit_method_definition(&mut self, it: &MethodDefinition<'a>) {
        self.blank_modifiers(it.span.start, it.key.span().start);
        if it.optional {
            self.blank_mark(&it.key, it.computed, "?");
        }
        walk::walk_method_definition(self, it);
    }

    fn visit_property_definition(&mut self, it: &PropertyDefinition<'a>) {
        self.blank_modifiers(it.span.start, it.key.span().start);
        if it.optional {
            self.blank_mark(&it.key, it.computed, "?");
        }
        if it.definite {
            self.blank_mark(&it.key, it.computed, "!");
        }
        walk::walk_property_definition(self, it);
    }

    fn visit_accessor_property(&mut self, _it: &AccessorProperty<'a>) {}

    fn visit_import_declaration_specifier(&mut self, it: &ImportDeclarationSpecifier<'a>) {
        if let ImportDeclarationSpecifier::ImportSpecifier(it) = it
            && it.import_kind == ImportOrExportKind::Type
        {
            self.drop_specifier(it.span);
        }
    }

    fn visit_export_specifier(&mut self, it: &ExportSpecifier<'a>) {
        if it.export_kind == ImportOrExportKind::Type {
            self.drop_specifier(it.span);
        }
    }
}

impl Eraser<'_> {
    /// Blanks the mark after a member's key.
    fn blank_mark(&mut self, key: &PropertyKey<'_>, computed: bool, mark: &str) {
        let mut at = self.token_at(key.span().end);
        if computed {
            at += 1;
        }
        if let Some(token) = self.tokens.get(at).copied()
            && self.text(token) == mark
        {
            self.blank(token);
        }
    }
}

fn is_typed_method(it: &MethodDefinition<'_>) -> bool {
    it.r#type == MethodDefinitionType::TSAbstractMethodDefinition || it.value.body.is_none()
}
