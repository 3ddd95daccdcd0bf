/*
 * The grammar of the configuration: blocks and settings, without the rules for
 * their place.  Used by config_scan_text().
 */
%code top {
#ifdef __clang__ /* it warns about yynerrs, which is set but not used */
#pragma clang diagnostic ignored "-Wunused-but-set-variable"
#endif
}
%code requires {
#include "parent/config/reader.h"
}
%code {
int config_yylex(CONFIG_YYSTYPE *, CONFIG_YYLTYPE *, void *scanner);
static void config_yyerror(const CONFIG_YYLTYPE *, void *scanner,
    struct config_parse *, const char *text);
static void missing_brace(struct config_parse *);
static bool goes_on(int token, bool other_line);

#define ERROR(token, ...) config_syntax_error(p, (token)->line, __VA_ARGS__)
}

%define api.prefix {config_yy}
%define api.pure full
%define parse.error custom
%define parse.lac full
%locations
%parse-param { void *scanner } { struct config_parse *parse }
%lex-param { void *scanner }

%union {
	struct config_word word;
}

%token <word> WORD STRING BLOCK INCLUDE
%token OPEN CLOSE EQUALS END LINE_END VALUES

%type <word> key value

/* A brace after a block's name is that block's. */
%precedence NO_BRACE
%precedence OPEN

%%

statements:
	%empty
	| statements statement
	;

statement:
	END
	| key EQUALS value
	{
		TAILQ_INIT(&parse->items);
		config_item_add(parse, $3, @3.first_line);
		config_setting_add(parse, $1.text, false, @1.first_line);
		parse->single = (struct config_token){ WORD, @3.first_line,
			$3.text };
		if (schema_has_list($1.text))
			parse->single_line = @3.first_line;
	}
	| key equals VALUES
	{
		if (!parse->list_lost)
			config_setting_add(parse, $1.text, true, @1.first_line);
	}
	| VALUES /* behind an = that is out of place */
	| INCLUDE value
	{
		config_file_include(parse, $2.text, @1.first_line);
	}
	| block statements CLOSE
	{
		if (parse->block->within != NULL)
			parse->block = parse->block->within;
	}
	| error
	{
		parse->block->damaged = true;
		parse->skip_line = @1.first_line;
		/* At the end there is nothing to go on with. */
		if (yychar != CONFIG_YYEOF) {
			yyerrok;
			if (!goes_on(yychar, yylloc.first_line != @1.first_line))
				yyclearin;
		}
	}
	;

equals:
	EQUALS
	| %empty /* which the scanner has reported */
	;

key:
	WORD
	| BLOCK
	;

value:
	WORD
	| STRING
	| BLOCK
	| INCLUDE
	;

block:
	BLOCK value
	{
		config_block_open(parse, $1.text, $2.text, @1.first_line);
	}
	brace
	| BLOCK OPEN
	{
		config_block_open(parse, $1.text, NULL, @1.first_line);
	}
	| OPEN
	{
		config_syntax_error(parse, @1.first_line,
		    "unexpected {: write pool, source, class, guest, egd or "
		    "stream and a name before it");
		config_block_open(parse, NULL, NULL, @1.first_line);
	}
	;

brace:
	OPEN
	| %empty %prec NO_BRACE
	{
		missing_brace(parse);
	}
	;

%%

/*
 * Continues the block as if the brace were there, unless the block has a key of
 * that name: then it was a setting, and the outer block continues.
 */
static void
missing_brace(struct config_parse *p)
{
	struct config_block *block = p->block;
	const char *word = schema_block(block->kind)->word;

	if (schema_find(block->within->kind, word) != NULL) {
		ERROR(&block->place, "missing =: write %s = %s", word,
		    config_shown(p->reader, block->name));
		config_block_drop(p);
	} else
		ERROR(&block->place, "%s: missing { after the name: add it",
		    block->title);
	p->lost_brace = true;
	p->depth++;
}

/*
 * Whether recovery continues with the token of the error: a brace, or the first
 * token of a statement on another line.
 */
static bool
goes_on(int token, bool other_line)
{
	return token == OPEN || token == CLOSE ||
	    (other_line && token != STRING && token != EQUALS &&
		token != LINE_END);
}

static void
unclosed(struct config_parse *p)
{
	struct config_block *block = p->block;

	if (!p->lost_brace) {
		p->error_line = 0;
		ERROR(&block->place, "missing } of %s: add it after the last "
		    "line",
		    block->kind == CONFIG_IGNORED ? "this {" : block->title);
	}
	for (; block->within != NULL; block = block->within)
		block->unclosed = true;
}

static bool
expected(const yypcontext_t *context, yysymbol_kind_t wanted)
{
	yysymbol_kind_t symbols[YYNTOKENS];
	int n;

	n = yypcontext_expected_tokens(context, symbols, YYNTOKENS);
	while (n > 0 && symbols[n - 1] != wanted)
		n--;
	return n > 0;
}

/* Reports an error after a word that may be a key or a block. */
static void
after_word(struct config_parse *p, int token)
{
	struct config_reader *r = p->reader;
	const char *word = config_shown(r, p->before.text);
	const char *near = config_nearest_key(p->before.text, CONFIG_IGNORED);
	bool is_text = token == STRING || token == WORD;

	if (near != NULL && (token == OPEN || is_text) &&
	    schema_kind(near) != CONFIG_IGNORED)
		ERROR(&p->before, "unknown block \"%s\": did you mean %s?",
		    word, near);
	else if (token == OPEN)
		ERROR(&p->before, "unknown block \"%s\": must be pool, source, "
		    "class, guest, egd or stream", word);
	else if (is_text)
		ERROR(&p->before, "missing =: write %s = %s", word,
		    config_shown(r, p->last.text));
	else
		ERROR(&p->before, "missing value of \"%s\": write %s = VALUE",
		    word, word);
}

/* Whether the word follows a single value, without braces around both. */
static bool
follows_single(const struct config_parse *p, const struct config_token *word)
{
	return word->line == p->single_line &&
	    (word->type == WORD || word->type == STRING) &&
	    schema_find(CONFIG_ANY, word->text) == NULL;
}

/* The value to write if the word is the unit of the number before it. */
static const char *
with_unit(const struct config_parse *p, const struct config_token *word)
{
	if (word->line != p->single.line || word->type != WORD)
		return NULL;
	return value_with_unit(p->reader,
	    config_text(p->reader, "%s %s", p->single.text, word->text));
}

/* Called by the parser at a syntax error. */
static int
yyreport_syntax_error(const yypcontext_t *context, void *scanner,
    struct config_parse *p)
{
	const struct config_token *before = &p->before, *last = &p->last;
	bool is_word = expected(context, YYSYMBOL_EQUALS);

	(void)scanner;
	if (yypcontext_token(context) == YYSYMBOL_YYEOF &&
	    (p->block->kind != CONFIG_TOP || (p->lost_brace && p->depth > 0)))
		unclosed(p);
	else if (before->type == EQUALS && last->type == OPEN)
		ERROR(before, "unexpected = before a block: write a name "
		    "instead, as in guest \"vm1\" {");
	else if (before->type == EQUALS)
		ERROR(before, "missing value after =: add it on the same line");
	else if (before->type == INCLUDE && expected(context, YYSYMBOL_WORD))
		ERROR(before, "missing file or pattern of include: write "
		    "include \"/etc/vrngd/conf.d/*.conf\"");
	else if (before->type == BLOCK && is_word)
		ERROR(before, "missing name or = after \"%s\": "
		    "write %s \"NAME\" { or %s = VALUE", before->text,
		    before->text, before->text);
	else if (with_unit(p, is_word ? before : last) != NULL)
		ERROR(is_word ? before : last, "unit is separate from its "
		    "number: write %s",
		    with_unit(p, is_word ? before : last));
	else if (follows_single(p, is_word ? before : last))
		ERROR(is_word ? before : last, "more than one value: enclose "
		    "several values in braces, as in { ONE OTHER }");
	else if (is_word)
		after_word(p, last->type);
	else
		ERROR(last, "unexpected \"%s\": must be a key, as in "
		    "rate = 10M, or a block",
		    config_shown(p->reader, last->text));
	return 0;
}

/* Called by the parser when its stack is full. */
static void
config_yyerror(const CONFIG_YYLTYPE *place, void *scanner,
    struct config_parse *p, const char *text)
{
	(void)scanner;
	config_syntax_error(p, place->first_line,
	    "file is nested too deep: %s", text);
}
