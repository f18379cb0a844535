namespace SgLang.Tokenization.Templates;

/// <summary>Templates that --chat-template knows by name, for models that bring none. They write no beginning-of-sequence token: the tokenizer adds it.</summary>
internal static class BuiltInTemplates
{
    private static readonly Dictionary<string, TemplateSource> s_templates = new()
    {
        ["chatml"] = new("""
            {%- if messages[0].role != 'system' %}{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}
            {%- for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}{% endfor %}
            {%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}
            """, ["<|endoftext|>", "<|im_end|>"]),
        ["gemma-it"] = new("""
            {%- set ns = namespace(system='') %}
            {%- for message in messages %}
            {%- if message.role == 'system' %}{% set ns.system = message.content + '\n\n' %}
            {%- else %}{{ '<start_of_turn>' + ('model' if message.role == 'assistant' else message.role) + '\n' + ns.system + message.content + '<end_of_turn>\n' }}{% set ns.system = '' %}
            {%- endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}
            """, ["<end_of_turn>"]),
        ["llama-2"] = new("""
            {%- set ns = namespace(system='', turns=0) %}
            {%- for message in messages %}
            {%- if message.role == 'system' %}{% set ns.system = '<<SYS>>\n' + message.content + '\n<</SYS>>\n\n' %}
            {%- elif message.role == 'assistant' %}{{ ' ' + message.content + ' </s>' }}
            {%- else %}{{ ('<s>' if ns.turns else '') + '[INST] ' + ns.system + message.content + ' [/INST]' }}{% set ns.system = '' %}{% set ns.turns = ns.turns + 1 %}
            {%- endif %}{% endfor %}
            """, ["[INST]", "[/INST]", "<<SYS>>", "<</SYS>>"]),
        ["mistral"] = new("""
            {%- set ns = namespace(system='') %}
            {%- for message in messages %}
            {%- if message.role == 'system' %}{% set ns.system = message.content + '\n\n' %}
            {%- elif message.role == 'assistant' %}{{ ' ' + message.content + '</s>' }}
            {%- else %}{{ '[INST] ' + ns.system + message.content + ' [/INST]' }}{% set ns.system = '' %}
            {%- endif %}{% endfor %}
            """, ["[INST]", "[/INST]"]),
        ["vicuna_v1.1"] = new("""
            {%- if messages[0].role == 'system' %}{{ messages[0].content + ' ' }}
            {%- else %}{{ "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and polite answers to the user's questions. " }}
            {%- endif %}
            {%- for message in messages %}
            {%- if message.role == 'assistant' %}{{ 'ASSISTANT: ' + message.content + '</s>' }}
            {%- elif message.role != 'system' %}{{ 'USER: ' + message.content + ' ' }}
            {%- endif %}{% endfor %}
            {%- if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}
            """, []),
    };

    public static IReadOnlyCollection<string> Names => s_templates.Keys;

    /// <summary>Null for a name that is none.</summary>
    public static TemplateSource? Find(string name) => s_templates.GetValueOrDefault(name);
}
