using SgLang.BindingsGen;
using SgLang.BindingsGen.Clang;
using SgLang.BindingsGen.CppSharp;
using SgLang.BindingsGen.Model;

var readers = new Dictionary<string, Func<IHeaderReader>>
{
    ["cppsharp"] = () => new CppSharpReader(),
    ["clang"] = () => new ClangReader(),
};
return new BindingsTool(readers, "cppsharp", Console.Out).Run(args);
